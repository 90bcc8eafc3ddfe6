"""The command line: commands read arguments, call one verb, print, and end with a code."""
