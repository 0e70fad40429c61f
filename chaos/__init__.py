"""Real faults on a real stack, each followed by the proof that nothing was lost and nothing was doubled."""
