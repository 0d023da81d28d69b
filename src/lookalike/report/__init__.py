"""One offline page for whole runs: what they hold becomes an object of plain JSON, and that one file. No torch."""
