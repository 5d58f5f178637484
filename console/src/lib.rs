//! HTTP for operators: metrics, health, live log levels.
#![forbid(unsafe_code)]
