//! memcr, which writes the memory of a process out and reads it back, and its protocol: a connection to its Unix socket per
//! request, numbers of 32 bits in the order of the host.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::error::{Error, ErrorKind, Result, Tried};

/// How long memcr may take for one process.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest directory that memcr takes, in bytes, with the NUL at its end.
const MAX_DIR: usize = 1024;
/// Requests.
const CHECKPOINT: i32 = 100;
const RESTORE: i32 = 101;
const WITH_OPTIONS: i32 = 102;
/// Options of a checkpoint.
const DUMP_DIR: i32 = 200;
const COMPRESSION: i32 = 201;

/// How the memory of a container is written out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HibernateOptions {
    /// The directory for it; `None` is memcr's own.
    pub dest: Option<PathBuf>,
    /// How it is compressed; `None` is memcr's own setting.
    pub compression: Option<Compression>,
}

/// A compression that memcr knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// None.
    None,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl HibernateOptions {
    /// Reads options as Dobby has them: `dest=DIR,compress=lz4`; both may be missing.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let mut options = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("dest", dir)) => options.dest = Some(checked(Path::new(dir))?),
                Some(("compress", "none")) => options.compression = Some(Compression::None),
                Some(("compress", "lz4")) => options.compression = Some(Compression::Lz4),
                Some(("compress", "zstd")) => options.compression = Some(Compression::Zstd),
                _ => {
                    let what = format!("cannot use the option {part:?} of a hibernation");
                    return Err(Error::new(ErrorKind::Input, what).advise(
                        "give dest=DIRECTORY, compress=lz4 or compress=zstd, with a comma between them",
                    ));
                }
            }
        }
        Ok(options)
    }

    /// The request to write out `pid` so.
    fn request(&self, pid: i32) -> Vec<u8> {
        let mut body = words(&[CHECKPOINT, pid]);
        if let Some(dir) = &self.dest {
            body.extend(DUMP_DIR.to_ne_bytes());
            body.extend(dir.as_os_str().as_bytes());
            body.push(0);
        }
        if let Some(compression) = self.compression {
            body.extend(words(&[COMPRESSION, compression as i32]));
        }
        if *self == Self::default() {
            return body;
        }
        // `checked` bounds the length.
        let length = i32::try_from(body.len()).unwrap_or_default();
        [words(&[WITH_OPTIONS, length]), body].concat()
    }
}

/// A directory that memcr can be asked for.
fn checked(dir: &Path) -> Result<PathBuf> {
    let bytes = dir.as_os_str().as_bytes();
    if dir.is_absolute() && bytes.len() < MAX_DIR && !bytes.contains(&0) {
        return Ok(dir.to_owned());
    }
    let what = "dest of a hibernation must be an absolute path of at most 1023 bytes";
    Err(Error::new(ErrorKind::Input, what))
}

fn words(numbers: &[i32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

/// The service behind a socket.
#[derive(Debug)]
pub(crate) struct Memcr<'a> {
    socket: &'a Path,
}

impl<'a> Memcr<'a> {
    pub(crate) fn at(socket: &'a Path) -> Self {
        Self { socket }
    }

    /// Connects. The socket may lie where every user can make one: only root, or our own user, is taken for memcr.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when memcr does not run, [`ErrorKind::Attack`] when another user answers.
    pub(crate) async fn connect(&self) -> Result<UnixStream> {
        let what = || format!("cannot reach memcr on {}", self.socket.display());
        let stream = UnixStream::connect(self.socket).await.map_err(|error| {
            Error::new(ErrorKind::Unsupported, what())
                .caused_by(error)
                .advise("start memcr, or name its socket in memcr_socket")
        })?;
        let user = stream.peer_cred().tried(what)?.uid();
        if user == 0 || user == rustix::process::geteuid().as_raw() {
            return Ok(stream);
        }
        Err(Error::new(ErrorKind::Attack, format!("{}: user {user} answers there", what())))
    }

    /// Writes out the memory of a process, which stands still from then on.
    ///
    /// # Errors
    /// As [`Self::connect`]; [`ErrorKind::Timeout`]; [`ErrorKind::System`] when memcr could not do it.
    pub(crate) async fn checkpoint(&self, pid: i32, options: &HibernateOptions) -> Result<()> {
        self.ask(&options.request(pid), || format!("memcr cannot hibernate process {pid}")).await
    }

    /// Reads the memory of a process back, which goes on. Ends a checkpoint in progress.
    ///
    /// # Errors
    /// As [`Self::checkpoint`].
    pub(crate) async fn restore(&self, pid: i32) -> Result<()> {
        self.ask(&words(&[RESTORE, pid]), || format!("memcr cannot wake process {pid} up")).await
    }

    async fn ask(&self, request: &[u8], what: impl Fn() -> String) -> Result<()> {
        let exchange = async {
            let mut stream = self.connect().await?;
            let mut answer = [0; 4];
            stream.write_all(request).await.tried(&what)?;
            stream.read_exact(&mut answer).await.tried(&what)?;
            match i32::from_ne_bytes(answer) {
                0 => Ok(()),
                code => Err(Error::new(ErrorKind::System, format!("{}: it answers {code}", what()))),
            }
        };
        let late = |_| Error::new(ErrorKind::Timeout, format!("{}: no answer in 20 seconds", what()));
        tokio::time::timeout(REQUEST_TIMEOUT, exchange).await.map_err(late)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_memcrs_form() {
        assert_eq!(HibernateOptions::default().request(7), words(&[100, 7]));
        let options = HibernateOptions::parse("dest=/x,compress=zstd").unwrap();
        let request = options.request(7);
        let body = [&words(&[100, 7, 200])[..], b"/x\0", &words(&[201, 2])].concat();
        assert_eq!(request, [words(&[102, i32::try_from(body.len()).unwrap()]), body].concat());
    }

    #[test]
    fn options_that_memcr_does_not_know_are_refused() {
        assert_eq!(HibernateOptions::parse("").unwrap(), HibernateOptions::default());
        let long = format!("dest=/{}", "x".repeat(1023));
        for text in ["x", "compress=rar", "dest=relative", "dest=", "dest=/a\0b", &long] {
            assert_eq!(HibernateOptions::parse(text).unwrap_err().kind(), ErrorKind::Input, "{text:?}");
        }
    }
}
