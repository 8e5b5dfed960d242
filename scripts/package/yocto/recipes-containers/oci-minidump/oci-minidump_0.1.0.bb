# Built from source: Rust 1.88 or later. kirkstone (1.59) and scarthgap (1.75) have older ones: use oci-minidump-bin
# there, or a layer with a newer Rust.
require oci-minidump.inc
require oci-minidump-crates.inc
LIC_FILES_CHKSUM = "file://LICENSE;md5=4761a84da40c216ad40d20c04829b605"

# Where the sources lie: a checkout, for example in local.conf EXTERNALSRC:pn-oci-minidump.
inherit cargo externalsrc

DEPENDS += "clang-native"
# cargo gets its crates from the list alone.
CARGO_BUILD_FLAGS += "--offline"

do_install() {
    export OCI_MINIDUMP_HOOK="${B}/target/${CARGO_TARGET_SUBDIR}/oci-minidump-hook"
    export OCICONTAINER="${B}/target/${CARGO_TARGET_SUBDIR}/ocicontainer"
    export OCI_MINIDUMP_STACK="${B}/target/${CARGO_TARGET_SUBDIR}/oci-minidump-stack"
    DESTDIR="${D}" "${S}/scripts/install" --prefix "${prefix}"
    DESTDIR="${D}" "${S}/scripts/install" --prefix "${prefix}" --daemon
    DESTDIR="${D}" "${S}/scripts/install" --prefix "${prefix}" --stack
}
