"""Resampling, slabs, sliding windows, lung mask: functions of arrays and their geometry."""
