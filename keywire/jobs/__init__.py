"""Jobs: what a signal queues, the queue, and the poison queue for jobs that failed for good."""
