"""Results of large packages, in a run of their own: a process that has imported them is no usual host."""
