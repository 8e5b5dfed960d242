//! Heads of core files as the kernel writes them, of every machine, with whatever a hostile program may put in.

/// A machine: its ELF number, whether its words have 8 bytes, and how many bytes its general registers have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) number: u16,
    pub(crate) wide: bool,
    pub(crate) general: usize,
}

pub(crate) const X86_64: Kind = Kind { number: 62, wide: true, general: 216 };
pub(crate) const ARM64: Kind = Kind { number: 183, wide: true, general: 272 };
pub(crate) const X86: Kind = Kind { number: 3, wide: false, general: 68 };
pub(crate) const ARM: Kind = Kind { number: 40, wide: false, general: 72 };

/// A head under construction.
#[derive(Debug, Clone)]
pub(crate) struct HeadBuilder {
    pub(crate) kind: Kind,
    pub(crate) mappings: Vec<(u64, u64)>,
    /// Owner, type and content.
    pub(crate) notes: Vec<(&'static str, u32, Vec<u8>)>,
}

impl HeadBuilder {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, mappings: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn word(&self, number: u64) -> Vec<u8> {
        number.to_le_bytes()[..if self.kind.wide { 8 } else { 4 }].to_vec()
    }

    pub(crate) fn note(&mut self, owner: &'static str, kind: u32, content: Vec<u8>) -> &mut Self {
        self.notes.push((owner, kind, content));
        self
    }

    /// `NT_PRSTATUS` of a thread.
    pub(crate) fn thread(&mut self, id: u32, general: &[u8]) -> &mut Self {
        assert_eq!(general.len(), self.kind.general);
        let (at, registers) = if self.kind.wide { (32, 112) } else { (24, 72) };
        let mut status = vec![0; registers];
        status[at..at + 4].copy_from_slice(&id.to_le_bytes());
        status.extend_from_slice(general);
        // Whether there are registers for floating-point numbers, and padding.
        status.resize(status.len() + if self.kind.wide { 8 } else { 4 }, 0);
        self.note("CORE", 1, status)
    }

    /// `NT_PRPSINFO`.
    pub(crate) fn process(&mut self, id: u32, name: &[u8]) -> &mut Self {
        let (size, at) = if self.kind.wide { (136, 24) } else { (124, 12) };
        let mut info = vec![0; size];
        info[at..at + 4].copy_from_slice(&id.to_le_bytes());
        info[size - 96..size - 96 + name.len()].copy_from_slice(name);
        self.note("CORE", 3, info)
    }

    /// `NT_SIGINFO`.
    pub(crate) fn signal(&mut self, number: u32, code: u32, address: u64) -> &mut Self {
        let mut info: Vec<u8> = [number, 0, code].iter().flat_map(|n| n.to_le_bytes()).collect();
        if self.kind.wide {
            info.extend_from_slice(&[0; 4]);
        }
        info.extend(self.word(address));
        info.resize(128, 0);
        self.note("CORE", 0x5349_4749, info)
    }

    /// `NT_FILE`.
    pub(crate) fn files(&mut self, files: &[(u64, u64, u64, &[u8])]) -> &mut Self {
        let mut note = [self.word(files.len() as u64), self.word(4096)].concat();
        for (start, end, page, _) in files {
            note.extend([self.word(*start), self.word(*end), self.word(*page)].concat());
        }
        for (_, _, _, name) in files {
            note.extend_from_slice(name);
            note.push(0);
        }
        self.note("CORE", 0x4649_4c45, note)
    }

    /// The file up to the end of the notes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (header, entry) = if self.kind.wide { (64, 56) } else { (52, 32) };
        let notes = self.note_bytes();
        let count = self.mappings.len() + 1;
        let offset = header + entry * count;
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 1 + u8::from(self.kind.wide), 1, 1];
        bytes.resize(16, 0);
        bytes.extend([4_u16.to_le_bytes(), self.kind.number.to_le_bytes()].concat());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend([self.word(0), self.word(header as u64), self.word(0)].concat());
        bytes.extend(0_u32.to_le_bytes());
        let count = u16::try_from(count).ok().filter(|count| *count < 0xffff).unwrap_or(0xffff);
        for number in [header as u16, entry as u16, count, 0, 0, 0] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.program_header(4, (offset as u64, 0), (notes.len() as u64, 0)));
        for (start, end) in &self.mappings {
            bytes.extend(self.program_header(1, (1 << 20, *start), (0, end - start)));
        }
        assert_eq!(bytes.len(), offset);
        bytes.extend(notes);
        bytes
    }

    fn program_header(&self, kind: u32, (offset, address): (u64, u64), sizes: (u64, u64)) -> Vec<u8> {
        let mut header = kind.to_le_bytes().to_vec();
        if self.kind.wide {
            header.extend(4_u32.to_le_bytes());
        }
        for number in [offset, address, 0, sizes.0, sizes.1] {
            header.extend(self.word(number));
        }
        header.resize(if self.kind.wide { 56 } else { 32 }, 0);
        header
    }

    fn note_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (owner, kind, content) in &self.notes {
            for number in [owner.len() as u32 + 1, content.len() as u32, *kind] {
                bytes.extend(number.to_le_bytes());
            }
            for part in [owner.as_bytes(), content] {
                bytes.extend_from_slice(part);
                let end = if part == owner.as_bytes() { bytes.len() + 1 } else { bytes.len() };
                bytes.resize(end.next_multiple_of(4), 0);
            }
        }
        bytes
    }
}
