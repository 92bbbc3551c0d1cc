"""What the emulators are built from: servers, child processes, control plane, faults, time."""
