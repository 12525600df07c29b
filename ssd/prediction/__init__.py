"""Detection in photos, folders and videos, and what is written of it."""
