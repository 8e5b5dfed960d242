//! The layer for Yocto.

use std::fs;
use std::path::Path;

use crate::ROOT;

const RECIPES: &str = "scripts/package/yocto/recipes-containers/oci-minidump";

/// The crates of `Cargo.lock` as bitbake's fetcher wants them. The registry's host name is a setting of the layer.
fn crates() -> String {
    let lock: toml::Table = fs::read_to_string(Path::new(ROOT).join("Cargo.lock")).unwrap().parse().unwrap();
    let packages =
        lock["package"].as_array().unwrap().iter().filter(|package| package.get("checksum").is_some());
    let (mut places, mut sums) = (String::new(), String::new());
    for package in packages {
        let field = |name: &str| package[name].as_str().unwrap();
        let (name, version, checksum) = (field("name"), field("version"), field("checksum"));
        places.push_str(&format!("    crate://${{OCI_MINIDUMP_REGISTRY}}/{name}/{version} \\\n"));
        sums.push_str(&format!("SRC_URI[{name}-{version}.sha256sum] = \"{checksum}\"\n"));
    }
    format!(
        "# The crates of Cargo.lock: UPDATE=1 cargo test --test package writes them again.\n\
         SRC_URI += \" \\\n{places}\"\n\n{sums}"
    )
}

#[test]
fn the_list_of_crates_is_that_of_the_lock_file() {
    let file = Path::new(ROOT).join(RECIPES).join("oci-minidump-crates.inc");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, crates()).unwrap();
    }
    assert!(fs::read_to_string(&file).unwrap() == crates(), "run UPDATE=1 cargo test --test package");
}

#[test]
fn recipes_are_of_this_version_and_licence() {
    let licence = std::process::Command::new("md5sum").arg(Path::new(ROOT).join("LICENSE")).output().unwrap();
    let sum = String::from_utf8(licence.stdout).unwrap().split(' ').next().unwrap().to_owned();
    for name in ["oci-minidump", "oci-minidump-bin"] {
        let file = format!("{name}_{}.bb", env!("CARGO_PKG_VERSION"));
        let recipe = fs::read_to_string(Path::new(ROOT).join(RECIPES).join(&file)).unwrap();
        assert!(recipe.contains(&format!("md5={sum}")), "{file}");
        // Every file that is required or included is there.
        for line in recipe.lines().filter_map(|line| line.strip_prefix("require ")) {
            assert!(Path::new(ROOT).join(RECIPES).join(line).exists(), "{file}: {line}");
        }
    }
}
