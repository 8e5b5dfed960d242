//! Makes small dumps by hand, for what no real dump at hand has.

/// A dump in the making: streams in the order they were added.
#[derive(Debug, Clone)]
pub(crate) struct Dump {
    /// Whether a big-endian machine writes it.
    big: bool,
    /// Everything behind the directory.
    body: Vec<u8>,
    directory: Vec<(u32, u32, u32)>,
}

/// Room for this many directory entries behind the header.
const STREAMS: usize = 8;
const BODY: usize = 32 + STREAMS * 12;

pub(crate) const THREADS: u32 = 3;
pub(crate) const MODULES: u32 = 4;
pub(crate) const MEMORY: u32 = 5;
pub(crate) const EXCEPTION: u32 = 6;
pub(crate) const SYSTEM: u32 = 7;
pub(crate) const NAMES: u32 = 24;
pub(crate) const STATUS: u32 = 0x4767_0004;
pub(crate) const LINUX: u32 = 0x8201;

impl Dump {
    pub(crate) fn new() -> Self {
        Self { big: false, body: Vec::new(), directory: Vec::new() }
    }

    /// One that a big-endian machine writes.
    pub(crate) fn big_endian() -> Self {
        Self { big: true, ..Self::new() }
    }

    /// A number of the dump: its bytes, given from the least one on, in the dump's order.
    fn number<const N: usize>(&self, mut bytes: [u8; N]) -> [u8; N] {
        if self.big {
            bytes.reverse();
        }
        bytes
    }

    fn half(&self, number: u16) -> [u8; 2] {
        self.number(number.to_le_bytes())
    }

    fn word(&self, number: u32) -> [u8; 4] {
        self.number(number.to_le_bytes())
    }

    fn long(&self, number: u64) -> [u8; 8] {
        self.number(number.to_le_bytes())
    }

    /// Adds bytes that no directory entry points at; returns their offset.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> u32 {
        let offset = BODY + self.body.len();
        self.body.extend(bytes);
        offset.try_into().unwrap()
    }

    pub(crate) fn stream(&mut self, kind: u32, bytes: &[u8]) -> &mut Self {
        let offset = self.put(bytes);
        self.entry(kind, bytes.len().try_into().unwrap(), offset)
    }

    pub(crate) fn entry(&mut self, kind: u32, size: u32, offset: u32) -> &mut Self {
        assert!(self.directory.len() < STREAMS);
        self.directory.push((kind, size, offset));
        self
    }

    /// A text as the format has them: length in bytes, UTF-16.
    pub(crate) fn text(&mut self, text: &str) -> u32 {
        let units: Vec<u8> = text.encode_utf16().flat_map(|unit| self.half(unit)).collect();
        let length = self.word(units.len().try_into().unwrap());
        self.put(&[&length, units.as_slice(), &[0, 0]].concat())
    }

    pub(crate) fn system(&mut self, cpu: u16, platform: u32) -> &mut Self {
        let mut stream = [0; 56];
        stream[..2].copy_from_slice(&self.half(cpu));
        stream[20..24].copy_from_slice(&self.word(platform));
        self.stream(SYSTEM, &stream)
    }

    /// A crash of thread 7.
    pub(crate) fn exception(&mut self, signal: u32, code: i32, address: u64, context: &[u8]) -> &mut Self {
        let offset = self.put(context);
        let mut stream = [0; 168];
        stream[..4].copy_from_slice(&self.word(7));
        stream[8..12].copy_from_slice(&self.word(signal));
        stream[12..16].copy_from_slice(&self.word(code.cast_unsigned()));
        stream[24..32].copy_from_slice(&self.long(address));
        stream[160..164].copy_from_slice(&self.word(context.len().try_into().unwrap()));
        stream[164..].copy_from_slice(&self.word(offset));
        self.stream(EXCEPTION, &stream)
    }

    /// One module at 0x10000, 0x1000 bytes long.
    pub(crate) fn module(&mut self, path: &str, codeview: &[u8]) -> &mut Self {
        let name = self.text(path);
        let offset = self.put(codeview);
        let mut module = [0; 108];
        module[..8].copy_from_slice(&self.long(0x10000));
        module[8..12].copy_from_slice(&self.word(0x1000));
        module[20..24].copy_from_slice(&self.word(name));
        module[76..80].copy_from_slice(&self.word(codeview.len().try_into().unwrap()));
        module[80..84].copy_from_slice(&self.word(offset));
        self.stream(MODULES, &[&self.word(1), module.as_slice()].concat())
    }

    /// The name of thread 7.
    pub(crate) fn thread_name(&mut self, name: &str) -> &mut Self {
        let name = u64::from(self.text(name));
        self.stream(NAMES, &[[self.word(1), self.word(7)].concat(), self.long(name).to_vec()].concat())
    }

    /// The file, dated 2026-11-22T00:00:00Z.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = u32::try_from(self.directory.len()).unwrap();
        let mut bytes = Vec::from(self.word(u32::from_le_bytes(*b"MDMP")));
        for field in [0xa793, count, 32, 0, 1_795_305_600, 0, 0] {
            bytes.extend(self.word(field));
        }
        for (kind, size, offset) in &self.directory {
            for field in [kind, size, offset] {
                bytes.extend(self.word(*field));
            }
        }
        bytes.resize(BODY, 0);
        bytes.extend(&self.body);
        bytes
    }
}

/// The number that marks Breakpad's record of a GNU build id.
const ELF: u32 = 0x4270_454c;

impl Dump {
    /// Breakpad's record of a GNU build id.
    pub(crate) fn elf(&self, build_id: &[u8]) -> Vec<u8> {
        [&self.word(ELF), build_id].concat()
    }
}

/// Registers of x86_64 with this instruction pointer.
pub(crate) fn registers(address: u64) -> Vec<u8> {
    let mut context = vec![0; 1232];
    context[248..256].copy_from_slice(&address.to_le_bytes());
    context
}
