//! Two sides over an unreliable line.
