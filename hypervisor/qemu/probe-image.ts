// The probe guest: a firmware image of ours that walks a processor through what every operating system needs, and says on
// port 0xe9 how far it came. It uses no disk, no BIOS and no kernel, and must never depend on a device but these ports.

/** What the probe writes to the debug port, in order, when it has done it. */
export const PROBE_STAGES = [
  { mark: 'R', does: 'real mode' },
  { mark: 'P', does: 'protected mode' },
  { mark: 'L', does: 'long mode with paging' },
  { mark: 'M', does: 'a changed page mapping' },
  { mark: 'T', does: 'five timer interrupts out of a halt' },
  { mark: 'W', does: '50 million passes of a loop' },
] as const;

/** QEMU's `isa-debugcon` and `isa-debug-exit` have to be at these ports. */
export const PROBE_MARK_PORT = 0xe9;
export const PROBE_EXIT_PORT = 0xf4;

/** The probe writes 0x2a to the exit port, of which QEMU makes (value << 1) | 1. */
export const PROBE_EXIT_CODE = 0x55;

/** The image ends at 1 MB and at 4 GB, as a PC's firmware does; QEMU takes multiples of 64 KiB. */
const IMAGE_BYTES = 0x10000;

/** Intel SDM vol. 3A, 9.1.4: the first instruction is 16 bytes below the end. It jumps to f000:0000. */
const RESET_VECTOR = 0xfff0;
const RESET_JUMP = 'ea000000f0';

const HALT = 0xf4;

/** Machine code at 0xf0000 (BASE), one instruction or datum a row, as an assembler would list it. */
const PROGRAM: readonly (readonly [hex: string, meaning: string])[] = [
  // Real mode: the reset vector jumps here.
  ['fa', 'start: cli'],
  ['b052', 'mov al,"R"'],
  ['e6e9', 'out 0xe9,al'],
  ['2e660f01169701', 'o32 lgdt [cs:gdtr]'],
  ['0f20c0', 'mov eax,cr0'],
  ['0c01', 'or al,1'],
  ['0f22c0', 'mov cr0,eax'],
  ['66ea1c000f000800', 'jmp dword 0x08:(BASE+prot)'],
  // Protected mode: clear 0x1000-0x7fff and build page tables there.
  ['66b81000', 'prot: mov ax,0x10'],
  ['8ed8', 'mov ds,ax'],
  ['8ec0', 'mov es,ax'],
  ['8ed0', 'mov ss,ax'],
  ['bcf08f0000', 'mov esp,0x8ff0'],
  ['b050', 'mov al,"P"'],
  ['e6e9', 'out 0xe9,al'],
  ['fc', 'cld'],
  ['bf00100000', 'mov edi,0x1000'],
  ['31c0', 'xor eax,eax'],
  ['b9001c0000', 'mov ecx,0x1c00'],
  ['f3ab', 'rep stosd'],
  // Level 4: first 512 GB.
  ['c7050010000003200000', 'mov dword [0x1000],0x2003'],
  // Level 3: first GB, second GB, fourth GB.
  ['c7050020000003300000', 'mov dword [0x2000],0x3003'],
  ['c7050820000003600000', 'mov dword [0x2008],0x6003'],
  ['c7051820000003400000', 'mov dword [0x2018],0x4003'],
  // Level 2: 0-2 MB as it is; the local APIC, uncached; the page that changes.
  ['c7050030000083000000', 'mov dword [0x3000],0x83'],
  ['c705b84f00009300e0fe', 'mov dword [0x4fb8],0xfee00093'],
  ['c7050060000003700000', 'mov dword [0x6000],0x7003'],
  ['c7050070000003900000', 'mov dword [0x7000],0x9003'],
  ['0f20e0', 'mov eax,cr4'],
  ['0c20', 'or al,0x20'],
  ['0f22e0', 'mov cr4,eax'],
  ['b800100000', 'mov eax,0x1000'],
  ['0f22d8', 'mov cr3,eax'],
  ['b9800000c0', 'mov ecx,0xc0000080'],
  ['0f32', 'rdmsr'],
  ['80cc01', 'or ah,1'],
  ['0f30', 'wrmsr'],
  ['0f20c0', 'mov eax,cr0'],
  ['0d00000080', 'or eax,0x80000000'],
  ['0f22c0', 'mov cr0,eax'],
  ['eabc000f001800', 'jmp 0x18:(BASE+wide)'],
  // Long mode: read two frames through one page that changes.
  ['b04c', 'wide: mov al,"L"'],
  ['e6e9', 'out 0xe9,al'],
  ['c704250090000011110000', 'mov dword [0x9000],0x1111'],
  ['c7042500a0000022220000', 'mov dword [0xa000],0x2222'],
  ['bb00000040', 'mov ebx,0x40000000'],
  ['8b0b', 'mov ecx,[rbx]'],
  ['c704250070000003a00000', 'mov dword [0x7000],0xa003'],
  ['0f013b', 'invlpg [rbx]'],
  ['030b', 'add ecx,[rbx]'],
  ['81f933330000', 'cmp ecx,0x3333'],
  ['7571', 'jne fail'],
  ['b04d', 'mov al,"M"'],
  ['e6e9', 'out 0xe9,al'],
  // Vector 0x40, the local APIC timer, every 1,000,000 ticks of its bus.
  ['c704250054000069011800', 'mov dword [0x5400],0x00180000+tick'],
  ['c7042504540000008e0f00', 'mov dword [0x5404],0x000f8e00'],
  ['0f011c259d010f00', 'lidt [BASE+idtr]'],
  ['bf0000e0fe', 'mov edi,0xfee00000'],
  ['c787f0000000ff010000', 'mov dword [rdi+0xf0],0x1ff'],
  ['c787e00300000b000000', 'mov dword [rdi+0x3e0],0xb'],
  ['c7872003000040000200', 'mov dword [rdi+0x320],0x20040'],
  ['c7878003000040420f00', 'mov dword [rdi+0x380],1000000'],
  ['31f6', 'xor esi,esi'],
  ['fb', 'sti'],
  // Sleep until the timer has come five times.
  ['f4', 'waiting: hlt'],
  ['83fe05', 'cmp esi,5'],
  ['72fa', 'jb waiting'],
  ['fa', 'cli'],
  ['b054', 'mov al,"T"'],
  ['e6e9', 'out 0xe9,al'],
  ['b980f0fa02', 'mov ecx,50000000'],
  // Work: one pass takes a processor a cycle or so, an instruction emulator a microsecond.
  ['ffc9', 'spin: dec ecx'],
  ['75fc', 'jnz spin'],
  ['b057', 'mov al,"W"'],
  ['e6e9', 'out 0xe9,al'],
  ['b82a000000', 'mov eax,0x2a'],
  ['e7f4', 'out 0xf4,eax'],
  // Nothing more to say.
  ['f4', 'fail: hlt'],
  ['ebfd', 'jmp fail'],
  // The timer interrupt: count and acknowledge.
  ['ffc6', 'tick: inc esi'],
  ['c787b000000000000000', 'mov dword [rdi+0xb0],0'],
  ['48cf', 'iretq'],
  // Descriptors, "accessed" set already: they lie in ROM, where the processor cannot set it.
  ['0000000000000000', 'gdt: dq 0'],
  ['ffff0000009bcf00', 'dq 0x00cf9b000000ffff'],
  ['ffff00000093cf00', 'dq 0x00cf93000000ffff'],
  ['ffff0000009baf00', 'dq 0x00af9b000000ffff'],
  ['1f00', 'gdtr: dw 31'],
  ['77010f00', 'dd BASE+gdt'],
  ['0f04', 'idtr: dw 0x40f'],
  ['0050000000000000', 'dq 0x5000'],
];

/** The firmware image, 64 KiB. */
export function probeImage(): Uint8Array {
  const image = new Uint8Array(IMAGE_BYTES).fill(HALT);
  image.set(Buffer.from(PROGRAM.map(([hex]) => hex).join(''), 'hex'));
  image.set(Buffer.from(RESET_JUMP, 'hex'), RESET_VECTOR);
  return image;
}
