"""From stacks to numbers of molecules with intervals."""
