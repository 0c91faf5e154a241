/**
 * Rows as aligned text columns. The last column is not padded, and cut where the line would be wider than `width`.
 */
export function textTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  width = 160,
): string[] {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all.map((row) => {
    const cells = widths.map((cellWidth, column) => {
      const cell = row[column] ?? "";
      return column === widths.length - 1 ? cell : cell.padEnd(cellWidth);
    });
    const line = cells.join("  ").trimEnd();
    return line.length <= width ? line : `${line.slice(0, Math.max(0, width - 1))}…`;
  });
}
