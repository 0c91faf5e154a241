/** Versions of Debian packages, compared as dpkg does. Pure. */

/** Order of two versions, for example `1:11.8.3-0+deb13u1`: negative where the first is older. */
export function compareDebianVersions(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  return (
    left.epoch - right.epoch ||
    compareText(left.upstream, right.upstream) ||
    compareText(left.revision, right.revision)
  );
}

/** The version of the software itself: without Debian's epoch and revision. */
export const upstreamVersion = (version: string): string => parts(version).upstream;

function parts(version: string): { epoch: number; upstream: string; revision: string } {
  const colon = version.indexOf(":");
  const rest = version.slice(colon + 1);
  const hyphen = rest.lastIndexOf("-");
  return {
    epoch: colon < 0 ? 0 : Number(version.slice(0, colon)),
    upstream: hyphen < 0 ? rest : rest.slice(0, hyphen),
    revision: hyphen < 0 ? "" : rest.slice(hyphen + 1),
  };
}

/** Runs of other characters and numbers by turns; a tilde sorts before the end, letters before all else. */
function compareText(a: string, b: string): number {
  let [left, right] = [a, b];
  while (left !== "" || right !== "") {
    const [leftText, rightText] = [/^\D*/.exec(left)?.[0] ?? "", /^\D*/.exec(right)?.[0] ?? ""];
    const text = compareCharacters(leftText, rightText);
    if (text !== 0) return text;
    [left, right] = [left.slice(leftText.length), right.slice(rightText.length)];
    const [leftNumber, rightNumber] = [/^\d*/.exec(left)?.[0] ?? "", /^\d*/.exec(right)?.[0] ?? ""];
    const number = compareNumbers(leftNumber, rightNumber);
    if (number !== 0) return number;
    [left, right] = [left.slice(leftNumber.length), right.slice(rightNumber.length)];
  }
  return 0;
}

function compareNumbers(a: string, b: string): number {
  const difference = BigInt(a || "0") - BigInt(b || "0");
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function compareCharacters(a: string, b: string): number {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = rank(a[index]) - rank(b[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

function rank(character: string | undefined): number {
  if (character === undefined) return 0;
  if (character === "~") return -1;
  const code = character.codePointAt(0) ?? 0;
  return /[A-Za-z]/.test(character) ? code : code + 0x10000;
}
