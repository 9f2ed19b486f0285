"""What keeps files of strangers from doing harm: limits of what is read, checksums, a process of its own."""
