//! What `--health` and `--watch` promise: the real program, in a real terminal and in pipes, in front of
//! the real server, and of ports that are none.

mod follow;
mod health;
mod kit;
mod lines;
mod screen;
