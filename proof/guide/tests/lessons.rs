//! The lessons show what the guide says that they show.
