# The static binaries of a release (scripts/release OUTDIR armv7 aarch64): no Rust is needed, for any version of Yocto.
require oci-minidump.inc
LIC_FILES_CHKSUM = "file://usr/share/doc/oci-minidump/LICENSE;md5=4761a84da40c216ad40d20c04829b605"

# The directory into which scripts/release put the tarballs.
OCI_MINIDUMP_RELEASE ??= "${THISDIR}/files"
OCI_MINIDUMP_ARCH:arm = "armv7"
OCI_MINIDUMP_ARCH:aarch64 = "aarch64"
OCI_MINIDUMP_ARCH:x86-64 = "x86_64"
OCI_MINIDUMP_ARCH:x86 = "i686"
SRC_URI = "file://${OCI_MINIDUMP_RELEASE}/oci-minidump-${PV}-${OCI_MINIDUMP_ARCH}.tar.gz"
S = "${WORKDIR}/oci-minidump-${PV}-${OCI_MINIDUMP_ARCH}"

PROVIDES = "oci-minidump"
RPROVIDES:${PN} = "oci-minidump"
RCONFLICTS:${PN} = "oci-minidump"
INSANE_SKIP:${PN} += "already-stripped"

do_install() {
    cp -R --no-dereference --preserve=mode,links "${S}/usr" "${D}/"
}
