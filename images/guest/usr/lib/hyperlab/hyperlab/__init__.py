"""Guest side of hyperlab: what a machine of a cluster runs to be configured, drained and declared ready."""
