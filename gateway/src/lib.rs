//! Listeners and the loop that drives any Session over a socket.
#![forbid(unsafe_code)]
