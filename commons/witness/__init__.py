"""The word of others on a log: its heads cosigned and compared, and requests handed in that it does not take."""
