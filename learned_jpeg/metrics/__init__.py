"""What a decoded picture is worth: quality metrics and rate."""
