"""How a run is trained: stages, steps, epochs, checkpoints, devices."""
