// The selectors in the text of a query.

/**
 * What stands between the braces after each mention of a metric, or of any when none is given;
 * quoted braces are no braces.
 */
export function selectorsOf(query: string, metric?: string): string[] {
  const mentions = query.matchAll(/(\w+)\{((?:[^"{}]|"(?:[^"\\]|\\.)*")*)\}/g);
  return [...mentions].flatMap(([, name, inside = '']) =>
    metric === undefined || name === metric ? [inside] : [],
  );
}
