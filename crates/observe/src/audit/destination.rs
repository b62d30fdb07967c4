//! Where lines go: standard output, or a file that is turned over when it is long enough.
//!
//! Our own and not a logging crate's, because those hide what went wrong: here every line that is not written is an
//! error that somebody hears of, and a line that was cut off by a full disk does not spoil the next one.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether the file is still the one at its path.
const LOOK: Duration = Duration::from_secs(1);

/// Where the trail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file, readable by its owner alone.
    File {
        /// Where.
        path: PathBuf,
        /// From how many bytes on a new one is begun; the old ones are `path.1`, `path.2` and so on.
        rotate_at: u64,
        /// How many old ones are kept; at least 1.
        keep: u32,
    },
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File { path, .. } => path.display().fmt(f),
        }
    }
}

/// Takes whole lines.
pub(super) trait Sink: Send {
    /// Writes one line, or says why not.
    fn write_line(&mut self, line: &[u8]) -> io::Result<()>;
}

impl Destination {
    pub(super) fn open(&self) -> io::Result<Box<dyn Sink>> {
        Ok(match self {
            Self::Stdout => Box::new(Lines { out: io::stdout(), is_torn: false }),
            Self::File { path, rotate_at, keep } => Box::new(TurnedFile::open(path, *rotate_at, *keep)?),
        })
    }
}

/// Lines to anything that takes bytes.
#[derive(Debug)]
pub(super) struct Lines<W> {
    out: W,
    /// The last line may have been cut off.
    is_torn: bool,
}

impl<W: Write + Send> Lines<W> {
    pub(super) fn new(out: W, is_torn: bool) -> Self {
        Self { out, is_torn }
    }
}

impl<W: Write + Send> Sink for Lines<W> {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let was_torn = std::mem::replace(&mut self.is_torn, true);
        if was_torn {
            self.out.write_all(b"\n")?;
        }
        self.out.write_all(line)?;
        self.out.flush()?;
        self.is_torn = false;
        Ok(())
    }
}

struct TurnedFile {
    path: PathBuf,
    rotate_at: u64,
    keep: u32,
    lines: Lines<File>,
    len: u64,
    looked: Instant,
}

impl TurnedFile {
    fn open(path: &Path, rotate_at: u64, keep: u32) -> io::Result<Self> {
        let (lines, len) = append_to(path)?;
        let looked = Instant::now();
        Ok(Self { path: path.to_owned(), rotate_at, keep: keep.max(1), lines, len, looked })
    }

    /// The oldest goes, each other gets the next number. When a name cannot be changed nothing is lost: the file only
    /// grows on.
    fn turn(&mut self) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.keep).rev() {
            rename_if_there(&numbered(number), &numbered(number + 1))?;
        }
        rename_if_there(&self.path, &numbered(1))?;
        (self.lines, self.len) = append_to(&self.path)?;
        Ok(())
    }

    /// Somebody else may have moved the file away, as `logrotate` does.
    fn follow(&mut self) -> io::Result<()> {
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        let ours = self.lines.out.metadata()?;
        let is_same = fs::metadata(&self.path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
        if !is_same {
            (self.lines, self.len) = append_to(&self.path)?;
        }
        Ok(())
    }
}

impl Sink for TurnedFile {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.follow()?;
        let len = line.len() as u64;
        if self.len > 0 && self.len + len > self.rotate_at {
            self.turn()?;
        }
        self.lines.write_line(line)?;
        self.len += len;
        Ok(())
    }
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The file to append to, and how long it is. A process that was killed may have left half a line.
fn append_to(path: &Path) -> io::Result<(Lines<File>, u64)> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path)?;
    let len = file.metadata()?.len();
    let mut last = [b'\n'];
    if len > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok((Lines::new(file, last != *b"\n"), len))
}
