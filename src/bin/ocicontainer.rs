//! `ocicontainer`: the daemon that answers the container-control API, and its command line.
fn main(){}
