"""What training minimises: each fills the gradients of a learner from a batch."""
