//! The documents for learners: what they show is what the commands do, and both languages say the same.

mod commands;
mod document;
mod twins;
