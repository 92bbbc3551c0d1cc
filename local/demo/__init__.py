"""The main job, to be seen: videos are uploaded, indexed and called back, and become documents and events."""
