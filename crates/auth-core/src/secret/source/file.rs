use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::runtime::Handle;
use zeroize::{Zeroize as _, Zeroizing};

use super::BOM;
use crate::{Error, ErrorKind, Secret, SecretSource};

/// A [`SecretSource`] that reads a file for each token request. If the file is replaced while the
/// program runs, the next token request uses the new secret.
///
/// The file holds one secret and nothing else, as UTF-8, at most 64 KiB. One line end after the
/// secret and a byte order mark before it are removed. To rotate the secret, write a new file and
/// rename it over the old one.
///
/// # Example
///
/// ```
/// use auth_core::{Authenticator, Error, ApiKey, Origins, Scheme, SecretFile};
/// use http::HeaderName;
///
/// # fn main() -> Result<(), Error> {
/// let source = ApiKey::new(SecretFile::new("/run/secrets/api-key"));
/// let authenticator = Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
///     .scheme(Scheme::header(HeaderName::from_static("x-api-key"))?)
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Each error names the path.
///
/// - [`Unavailable`](ErrorKind::Unavailable), after which the file is read again after a back-off,
///   if the file does not exist, is not readable or is empty. Each may be the case in the middle of
///   a rotation.
/// - [`Config`](ErrorKind::Config) on field `secret_file` if the path is not a file, or the file is
///   too long or not UTF-8.
///
/// # Cancel safety
///
/// The file is read on a thread for blocking work, so that a slow file system delays no other task.
/// If the future is dropped, the read ends on that thread and its result is wiped.
#[derive(Clone, Debug)]
pub struct SecretFile {
    path: Arc<Path>,
}

impl SecretFile {
    /// Makes a source that reads the file at this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into().into(),
        }
    }
}

impl SecretSource for SecretFile {
    async fn read(&self) -> Result<Secret, Error> {
        let path = Arc::clone(&self.path);
        let Ok(runtime) = Handle::try_current() else {
            return read(&path);
        };
        match runtime.spawn_blocking(move || read(&path)).await {
            Ok(read) => read,
            Err(_) => {
                let message = "the runtime shut down while the secret file was read";
                Err(Error::new(ErrorKind::Unavailable, message))
            }
        }
    }
}

fn read(path: &Path) -> Result<Secret, Error> {
    let shown = path.display();
    let bad = |problem: &str| Error::config("secret_file", format_args!("`{shown}` {problem}"));
    let unavailable = |problem: &str| {
        let message = format!("secret file `{shown}` {problem}");
        Error::new(ErrorKind::Unavailable, message)
    };
    let failed =
        |error: io::Error| unavailable(&format!("cannot be read: {error}")).with_source(error);
    // Checked before the file is opened, because opening a pipe waits for a writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(bad(
            "is not a file; set the path of a file that holds the secret",
        ));
    }
    // Full size from the start: a buffer that grows leaves unwiped copies behind.
    let mut bytes = Zeroizing::new(vec![0; MAX + 1]);
    let len = fill(&mut File::open(path).map_err(failed)?, &mut bytes).map_err(failed)?;
    if len > MAX {
        return Err(bad(
            "is longer than 64 KiB; use a file that holds the secret only",
        ));
    }
    let text = bytes.get(..len).unwrap_or_default();
    let text = std::str::from_utf8(text)
        .map_err(|_| bad("is not UTF-8; write the secret as UTF-8 text"))?;
    let text = text.strip_prefix(BOM).unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        Err(unavailable("is empty; write the secret into it"))
    } else {
        Ok(Secret::new(text))
    }
}

/// Reads until the end of the file or until the buffer is full.
fn fill(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while let Some(rest) = bytes.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                bytes.zeroize();
                return Err(error);
            }
        }
    }
    Ok(len)
}

const MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    /// A file whose reads have these results, the last one first.
    struct Reads(Vec<io::Result<&'static str>>);

    impl Read for Reads {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let mut text = self.0.pop().unwrap_or(Ok(""))?.as_bytes();
            text.read(bytes)
        }
    }

    /// A file that is deleted with its test.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
            let name = format!("auth-core-{}-{name}", process::id());
            let path = env::temp_dir().join(name);
            fs::write(&path, content).unwrap();
            Self(path)
        }

        async fn read(&self) -> Result<Secret, Error> {
            SecretFile::new(&self.0).read().await
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[tokio::test]
    async fn one_line_end_is_not_part_of_the_secret() {
        for (content, secret) in [
            ("fake-secret", "fake-secret"),
            ("fake-secret\n", "fake-secret"),
            ("fake-secret\r\n", "fake-secret"),
            ("fake-secret\n\n", "fake-secret\n"),
            (" fake secret \n", " fake secret "),
        ] {
            let file = Temporary::new("line-end", content);
            assert_eq!(file.read().await.unwrap(), Secret::new(secret));
        }
    }

    #[tokio::test]
    async fn a_byte_order_mark_is_not_part_of_the_secret() {
        for (content, secret) in [
            ("\u{feff}fake-secret\r\n", "fake-secret"),
            ("\u{feff}\u{feff}fake-secret", "\u{feff}fake-secret"),
            ("fake-secret\u{feff}", "fake-secret\u{feff}"),
        ] {
            let file = Temporary::new("mark", content);
            assert_eq!(file.read().await.unwrap(), Secret::new(secret));
        }
        let only = Temporary::new("only-a-mark", "\u{feff}\n");
        let error = only.read().await.unwrap_err();
        assert!(error.to_string().contains("is empty"), "{error}");
    }

    #[tokio::test]
    async fn an_error_names_path_and_cause() {
        let path = env::temp_dir().join("auth-core-no-such-file");
        let error = SecretFile::new(&path).read().await.unwrap_err();
        let (cause, path) = (fs::metadata(&path).unwrap_err(), path.display());
        let told = format!("secret file `{path}` cannot be read: {cause}");
        assert_eq!(error.to_string(), told);
    }

    #[tokio::test]
    async fn replaced_file_is_read_again() {
        let file = Temporary::new("replaced", "fake-secret-1");
        let source = SecretFile::new(&file.0);
        assert_eq!(source.read().await.unwrap(), Secret::new("fake-secret-1"));
        let next = Temporary::new("next", "fake-secret-2");
        fs::rename(&next.0, &file.0).unwrap();
        assert_eq!(source.read().await.unwrap(), Secret::new("fake-secret-2"));
    }

    #[tokio::test]
    async fn missing_or_empty_file_is_unavailable() {
        let file = Temporary::new("vanishes", "");
        let error = file.read().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("is empty"), "{error}");
        fs::remove_file(&file.0).unwrap();
        let error = file.read().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("vanishes"), "{error}");
    }

    #[tokio::test]
    async fn file_that_a_person_must_correct_is_config() {
        let long = Temporary::new("long", vec![b'x'; MAX + 1]);
        let binary = Temporary::new("binary", b"fake-secret\xff");
        let directory = SecretFile::new(env::temp_dir()).read().await;
        for result in [long.read().await, binary.read().await, directory] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert_eq!(error.field(), Some("secret_file"));
            assert!(!error.to_string().contains("fake-secret"));
        }
        let whole = Temporary::new("whole", vec![b'x'; MAX]);
        assert_eq!(whole.read().await.unwrap().expose().len(), MAX);
    }

    #[test]
    fn an_interrupted_read_goes_on() {
        let interrupted = || Err(io::ErrorKind::Interrupted.into());
        let reads = vec![interrupted(), Ok("-secret"), interrupted(), Ok("fake")];
        let mut bytes = [0; 16];
        let len = fill(&mut Reads(reads), &mut bytes).unwrap();
        assert_eq!(&bytes[..len], b"fake-secret");
    }

    #[test]
    fn g18_a_read_that_fails_leaves_no_part_of_the_secret() {
        let failed = Err(io::ErrorKind::PermissionDenied.into());
        let mut bytes = [0; 16];
        let error = fill(&mut Reads(vec![failed, Ok("fake")]), &mut bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(bytes, [0; 16]);
    }
}
