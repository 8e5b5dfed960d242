//! What several fuzz targets need.

pub mod counted;
pub mod image;
pub mod rules;
pub mod scratch;
