/** Says a text when it differs from the one said before. */
export function onceEach(say: (text: string) => void): (text: string) => void {
  let said = '';
  return (text) => {
    if (text !== said) say(text);
    said = text;
  };
}
