import { format, resolveConfig } from 'prettier';

/** A table with a head, as Markdown; cells may not have line breaks, and what would end a cell or begin a tag is escaped. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map(escapeCell).join(' | ')} |`)
    .join('\n');
}

/** A page as the formatter wants it to stand in its file. */
export async function formatPage(file: URL, page: string): Promise<string> {
  const options = (await resolveConfig(file)) ?? {};
  return format(page, { ...options, parser: 'markdown' });
}

function escapeCell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replaceAll(/<(?=[a-z])(?!br>)/g, String.raw`\<`);
}
