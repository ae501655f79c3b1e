//! Whatever the bytes: an answer, never a panic, never an overflow of the stack.
