"""The IAM policy language and AWS signatures. Pure."""
