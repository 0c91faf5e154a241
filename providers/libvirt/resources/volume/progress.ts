/** Text of a transfer's progress: `uploading 512 MiB of 2.1 GiB (24 %, 180 MiB/s)`. */
export function progressText(done: number, total: number, seconds: number): string {
  const share = total === 0 ? 100 : Math.floor((done / total) * 100);
  const rate = seconds > 0 ? `, ${sizeText(done / seconds)}/s` : "";
  return `uploading ${sizeText(done)} of ${sizeText(total)} (${share} %${rate})`;
}

/** A number of bytes for people, in powers of 1024. */
export function sizeText(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}
