//! One kit for every proof: start a process, wait, read its log, look into `/proc`, be a peer.
