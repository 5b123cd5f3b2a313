"""What a user brings, and where its results go: stacks, blob tables, panels, experiment folders, run folders."""
