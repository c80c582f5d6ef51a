//! x
mod figures;
mod history;
mod notes;
#[cfg(test)]
mod samples;
mod screen;
mod steps;
mod table;
mod text;
