// The header of a NumPy .npy file, format 1.0 (numpy.lib.format): magic, version, u16 length, a Python dict, padding to 64.

/** Header of a little-endian f32 array [rows, columns] in C order. */
export function npyHeader(rows: number, columns: number): Uint8Array {
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`;
  const length = Math.ceil((10 + dictionary.length + 1) / 64) * 64;
  const header = Buffer.alloc(length, ' ');
  header.set([0x93, ...Buffer.from('NUMPY'), 1, 0]);
  header.writeUInt16LE(length - 10, 8);
  header.write(dictionary, 10, 'latin1');
  header[length - 1] = 0x0a;
  return header;
}
