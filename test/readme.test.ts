import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { storyChapters } from '../src/simulator/story/story-chapters.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

const storySteps = storyChapters.flatMap(({ steps }) => steps);

describe('README', () => {
  it('shows the demo as it is', () => {
    for (const [position, { title, promise }] of storySteps.entries()) {
      expect(readme).toContain(`✓ ${position + 1}. ${title}`);
      expect(readme).toContain(promise);
    }
    expect(readme).toContain(`${storySteps.length} promises kept.`);
  });

  const links = [...readme.matchAll(/\]\((?!http)([^)#]+)/g)].map((match) => match[1] ?? '');

  it('has links', () => {
    expect(links.length).toBeGreaterThan(5);
  });

  it.each(links)('links to %s, which is there', (path) => {
    expect(existsSync(new URL(`../${path}`, import.meta.url))).toBe(true);
  });
});
