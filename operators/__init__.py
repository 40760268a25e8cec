"""One Holoscan operator a file: receive, call pulmomap, emit."""
