"""What `ssd.doctor` looks at before training."""
