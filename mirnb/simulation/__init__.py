"""The CoCoS forward model, experiment folders made with it, and the twin of an experiment."""
