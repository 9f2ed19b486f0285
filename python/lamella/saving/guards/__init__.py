"""Protection against files from unknown sources: limits of what is read, checksums, an isolated process."""
