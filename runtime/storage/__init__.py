"""Payload storage: folders and S3 buckets, and the data converter that uses them."""
