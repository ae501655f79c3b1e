//! Recordings as files: JSON Lines, plain or zstd, one record of a topic a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use model::recording::TopicRecord;

use crate::progress::Extent;

/// Longest line that is read: a 30 MB payload in base64 and its frame. Unit: bytes.
const LINE_BYTES_MAX: u64 = 48 << 20;

/// Reads a recording line by line; memory does not grow with its length.
pub struct Reader {
    lines: Box<dyn BufRead + Send>,
    name: String,
    line: u64,
    buffer: Vec<u8>,
}

impl Reader {
    /// Opens a recording; `-` is standard input. Compression is told by content.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_counted(path, &Arc::default())
    }

    /// The same; bytes of the file are counted as they are read, packed as they are.
    fn open_counted(path: &Path, read: &Arc<AtomicU64>) -> Result<Self> {
        let name = path.display().to_string();
        let bytes: Box<dyn Read + Send> = if name == "-" {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).with_context(|| {
                format!(
                    "cannot open recording {name} (`faultline record -c FILE -o RECORDING` makes one, \
                     `faultline corpus DIR` some with a known truth)"
                )
            })?)
        };
        let mut bytes = BufReader::new(Counted { bytes, read: Arc::clone(read) });
        let compressed = bytes.fill_buf()?.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        let lines: Box<dyn BufRead + Send> = if compressed {
            Box::new(BufReader::new(zstd::Decoder::with_buffer(bytes)?))
        } else {
            Box::new(bytes)
        };
        Ok(Self { lines, name, line: 0, buffer: Vec::new() })
    }

    fn read(&mut self) -> Result<Option<TopicRecord>> {
        loop {
            self.buffer.clear();
            self.line += 1;
            let mut limited = (&mut self.lines).take(LINE_BYTES_MAX);
            let read = limited
                .read_until(b'\n', &mut self.buffer)
                .with_context(|| format!("cannot read recording {}", self.name))?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == LINE_BYTES_MAX {
                bail!("{}:{}: a line above {LINE_BYTES_MAX} bytes", self.name, self.line);
            }
            let text = std::str::from_utf8(&self.buffer)
                .with_context(|| format!("{}:{}: not UTF-8", self.name, self.line))?
                .trim();
            if text.is_empty() {
                continue;
            }
            let record = TopicRecord::from_line(text)
                .with_context(|| format!("{}:{}", self.name, self.line))?;
            return Ok(Some(record));
        }
    }
}

impl Iterator for Reader {
    type Item = Result<TopicRecord>;
    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Counts what is read.
struct Counted {
    bytes: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Writes a recording.
pub struct Writer {
    out: Box<dyn Write + Send>,
}

impl Writer {
    /// Creates a recording; `-` is standard output; names that end in `.zst` are compressed.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let out: Box<dyn Write + Send> = if name == "-" {
            Box::new(BufWriter::new(io::stdout()))
        } else {
            let file = File::create(path).with_context(|| format!("cannot create {name}"))?;
            if name.ends_with(".zst") {
                Box::new(zstd::Encoder::new(BufWriter::new(file), 3)?.auto_finish())
            } else {
                Box::new(BufWriter::new(file))
            }
        };
        Ok(Self { out })
    }

    /// Writes one record.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&mut self, record: &TopicRecord) -> Result<()> {
        self.out.write_all(record.to_line()?.as_bytes())?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    /// Makes sure that everything is written.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(mut self) -> Result<()> {
        self.out.flush()?;
        Ok(())
    }
}

/// Several recordings, one after the other.
pub struct Recordings {
    left: std::vec::IntoIter<std::path::PathBuf>,
    open: Option<Reader>,
    read: Arc<AtomicU64>,
    all: Option<u64>,
}

impl Recordings {
    /// The records of these files, in this order; each is opened when its turn comes.
    #[must_use]
    pub fn new(paths: Vec<std::path::PathBuf>) -> Self {
        let bytes = |path: &std::path::PathBuf| {
            std::fs::metadata(path).ok().filter(|file| file.is_file()).map(|file| file.len())
        };
        let all = paths.iter().map(bytes).sum();
        Self { left: paths.into_iter(), open: None, read: Arc::default(), all }
    }

    /// How much there is to read; unknown where one of them is standard input.
    #[must_use]
    pub fn extent(&self) -> Extent {
        self.all.map_or(Extent::Unknown, |all| Extent::Bytes(Arc::clone(&self.read), all))
    }
}

impl Iterator for Recordings {
    type Item = Result<TopicRecord>;
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.open.as_mut().and_then(Iterator::next) {
                return Some(record);
            }
            match Reader::open_counted(&self.left.next()?, &self.read) {
                Ok(reader) => self.open = Some(reader),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_survive_plain_and_compressed() {
        let directory = tempfile::tempdir().unwrap();
        let record = TopicRecord {
            topic: "alerts".into(),
            timestamp_ms: 7,
            key: Some("k".into()),
            headers: vec![("encoding".into(), "otlp_proto".into())],
            value: vec![0, 159, 10],
        };
        for name in ["a.jsonl", "b.jsonl.zst"] {
            let path = directory.path().join(name);
            let mut writer = Writer::create(&path).unwrap();
            writer.write(&record).unwrap();
            writer.write(&record).unwrap();
            writer.finish().unwrap();
            let read: Vec<TopicRecord> =
                Reader::open(&path).unwrap().collect::<Result<_>>().unwrap();
            assert_eq!(read, vec![record.clone(), record.clone()], "{name}");
        }
    }

    #[test]
    fn recordings_say_how_much_of_them_was_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.jsonl");
        let line = "{\"topic\":\"alerts\",\"timestamp\":1,\"value\":{}}\n";
        std::fs::write(&path, line.repeat(3)).unwrap();
        let recordings = Recordings::new(vec![path.clone(), path.clone()]);
        let Extent::Bytes(read, all) = recordings.extent() else { panic!("files have a length") };
        assert_eq!(all, 6 * line.len() as u64);
        assert_eq!(recordings.map(Result::unwrap).count(), 6);
        assert_eq!(read.load(Ordering::Relaxed), all);
        let piped = Recordings::new(vec![path, "-".into()]).extent();
        assert!(matches!(piped, Extent::Unknown));
    }

    #[test]
    fn a_broken_line_is_named_by_file_and_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("broken.jsonl");
        std::fs::write(&path, "\n{\"topic\":\"alerts\"}\n").unwrap();
        let error = Reader::open(&path).unwrap().next().unwrap().unwrap_err();
        assert!(format!("{error:#}").contains("broken.jsonl:2"), "{error:#}");
    }
}
