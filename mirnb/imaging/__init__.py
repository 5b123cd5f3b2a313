"""Arrays alone: preprocessing, correlation, templates, crops, responses, detection, fits of blobs (thesis 2.1)."""
