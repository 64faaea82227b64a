/** Chat with any model by one of one's keys: streamed, with thinking, raw request and answer, receipt and code. */

import { ActionIcon, Button, Drawer, Group, Loader, Skeleton, Tabs, Textarea, Tooltip } from '@mantine/core';
import { IconCode, IconEraser, IconKey, IconMessages, IconPlayerStop, IconReceipt, IconSend } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { cache } from '@/api/site';
import { useFormat } from '@/app/format';
import { useAddress } from '@/app/router';
import { ENABLED, modelsQuery, reveal, tokensQuery } from '@/pages/keys/queries';
import { useBase } from '@/pages/keys/UseKey';
import { requestQuery } from '@/pages/logs/queries';
import { Receipt } from '@/pages/logs/Receipt';
import { CodeView } from '@/parts/CodeView';
import { CopyButton } from '@/parts/CopyButton';
import { Empty } from '@/parts/Empty';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { Markdown } from '@/parts/Markdown';
import { PageHead } from '@/parts/PageHead';

import { type Answer, ask, body, NOTHING, type Parameters, type Turn } from './ask';
import { languages, type Sent } from './code';
import classes from './playground.module.css';
import { Settings } from './Settings';

interface Said extends Turn {
  answer?: Answer;
  error?: unknown;
  sent?: Record<string, unknown>;
}

const KEPT = 'isthmus.playground';
const START: Parameters = { system: '', temperature: null, top_p: null, max_tokens: null, reasoning_effort: '', stream: true };

/** The conversation of this tab: not lost on reload, gone with the tab. */
function kept(): { said: Said[]; parameters: Parameters } {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEPT) ?? '{}') as { said?: Said[]; parameters?: Parameters };
    return { said: found.said ?? [], parameters: { ...START, ...found.parameters } };
  } catch {
    return { said: [], parameters: START };
  }
}

function ReceiptOf({ id }: { id: string }) {
  const { t } = useTranslation();
  const line = useQuery(requestQuery(id)).data;
  return line ? <Receipt line={line} /> : <Skeleton h={220} aria-label={t('common.loading')} />;
}

function AnswerView({ said, running, onReceipt, onCode }: { said: Said; running: boolean; onReceipt: () => void; onCode: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const answer = said.answer ?? NOTHING;
  return (
    <div className={classes.turn} data-role="assistant">
      {answer.thinking && (
        <details className={classes.thinking} open={running && !answer.text}>
          <summary>{t('playground.thinking')}</summary>
          <p>{answer.thinking}</p>
        </details>
      )}
      {answer.text ? <Markdown text={answer.text} /> : running && <Loader size="sm" type="dots" aria-label={t('playground.waiting')} />}
      {said.error !== undefined && <ErrorPanel error={said.error} />}
      {!running && answer.requestId && said.error === undefined && (
        <div className={classes.facts}>
          <span>{t('playground.facts', { first: format.number(Math.round(answer.firstMs)), took: format.number(Math.round(answer.tookMs) / 1000) })}</span>
          <span>{t('logs.inOut', { input: format.number(answer.input), output: format.number(answer.output) })}</span>
          {answer.finish && answer.finish !== 'stop' && <span>{answer.finish}</span>}
          <CopyButton value={answer.text} size="sm" label={t('playground.copyAnswer')} />
          <Button size="compact-xs" variant="subtle" leftSection={<IconReceipt size={14} />} onClick={onReceipt}>{t('logs.receipt')}</Button>
          <Button size="compact-xs" variant="subtle" leftSection={<IconCode size={14} />} onClick={onCode}>{t('playground.code')}</Button>
        </div>
      )}
    </div>
  );
}

export default function Playground() {
  const { t } = useTranslation();
  const base = useBase();
  const [place, go] = useAddress({ model: '', key: '' });
  const tokens = useQuery(tokensQuery({ p: 1, page_size: 100 }, ''));
  const usable = (tokens.data?.items ?? []).filter((row) => row.status === ENABLED);
  const token = usable.find((row) => String(row.id) === place.key) ?? usable[0];
  const all = useQuery(modelsQuery).data ?? [];
  const models = (token?.model_limits_enabled ? token.model_limits.split(',') : all).filter((name) => !/embed|rerank|moderation/i.test(name));
  const model = models.includes(place.model) ? place.model : (models[0] ?? '');

  const [start] = useState(kept);
  const [said, setSaid] = useState<Said[]>(start.said);
  const [parameters, setParameters] = useState<Parameters>(start.parameters);
  const [typed, setTyped] = useState('');
  const [shown, setShown] = useState<{ what: 'receipt' | 'code'; said: Said } | null>(null);
  const stop = useRef<AbortController | null>(null);
  const [running, setRunning] = useState(false);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!running) sessionStorage.setItem(KEPT, JSON.stringify({ said: said.filter((turn) => turn.error === undefined), parameters }));
  }, [said, parameters, running]);
  useEffect(() => () => stop.current?.abort(), []);
  useEffect(() => {
    end.current?.scrollIntoView({ block: 'nearest' }); // a promise in newer browsers: not what an effect may return
  }, [said]);

  const send = async () => {
    if (!token || !model || !typed.trim() || running) return;
    const asked: Said = { role: 'user', text: typed.trim() };
    const before = [...said.filter((turn) => turn.error === undefined), asked];
    const sent = body(model, before.filter((turn) => turn.text), parameters);
    const show = (change: Partial<Said>) => setSaid([...before, { role: 'assistant', text: '', sent, ...change }]);
    show({});
    setTyped('');
    setRunning(true);
    stop.current = new AbortController();
    let last = NOTHING;
    try {
      const tell = (answer: Answer) => {
        last = answer;
        show({ text: answer.text, answer });
      };
      await ask(sent, await reveal(token.id), stop.current.signal, tell);
    } catch (problem) {
      if (!stop.current.signal.aborted) show({ text: last.text, answer: last, error: problem });
    } finally {
      setRunning(false);
      void cache.invalidateQueries({ queryKey: ['self'] });
    }
  };

  if (tokens.isPending) return <><PageHead title={t('pages.playground')} /><Skeleton h={360} /></>;
  if (tokens.error) return <><PageHead title={t('pages.playground')} /><ErrorPanel error={tokens.error} retry={() => void tokens.refetch()} /></>;
  if (!token) {
    return (
      <>
        <PageHead title={t('pages.playground')} text={t('playground.text')} />
        <Empty icon={IconKey} title={t('playground.noKey')} text={t('playground.noKeyText')} action={<Button component={Link} to="/keys?edit=new">{t('keys.create')}</Button>} />
      </>
    );
  }
  const next = body(model, [...said.filter((turn) => turn.text), { role: 'user' as const, text: typed || t('playground.example') }], parameters);
  const masked = `sk-${token.key}`;
  const told = (shown?.said.sent ?? next) as unknown as Sent;
  return (
    <>
      <PageHead
        title={t('pages.playground')}
        text={t('playground.text')}
        actions={
          <Group gap="xs">
            <Button variant="default" leftSection={<IconCode size={16} />} onClick={() => setShown({ what: 'code', said: { role: 'assistant', text: '', sent: next } })}>{t('playground.code')}</Button>
            <Button variant="default" leftSection={<IconEraser size={16} />} disabled={said.length === 0 || running} onClick={() => setSaid([])}>{t('playground.clear')}</Button>
          </Group>
        }
      />
      <div className={classes.all}>
        <section className={classes.chat} aria-label={t('playground.conversation')}>
          <div className={classes.turns} role="log" aria-live="polite" aria-busy={undefined}>
            {said.length === 0 && <Empty icon={IconMessages} title={t('playground.empty', { model })} text={t('playground.emptyText')} />}
            {said.map((turn, at) =>
              turn.role === 'user' ? (
                <div key={at} className={classes.turn} data-role="user">{turn.text}</div>
              ) : (
                <AnswerView
                  key={at}
                  said={turn}
                  running={running && at === said.length - 1}
                  onReceipt={() => setShown({ what: 'receipt', said: turn })}
                  onCode={() => setShown({ what: 'code', said: turn })}
                />
              ),
            )}
            <div ref={end} />
          </div>
          <form
            className={classes.compose}
            onSubmit={(event) => {
              event.preventDefault();
              void send();
            }}
          >
            <Textarea
              aria-label={t('playground.message')}
              placeholder={t('playground.message')}
              autosize
              minRows={1}
              maxRows={8}
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
                event.preventDefault();
                void send();
              }}
            />
            {running ? (
              <Tooltip label={t('playground.stop')}>
                <ActionIcon variant="default" size={36} aria-label={t('playground.stop')} onClick={() => stop.current?.abort()}><IconPlayerStop size={18} /></ActionIcon>
              </Tooltip>
            ) : (
              <ActionIcon type="submit" variant="filled" color="sea" size={36} aria-label={t('playground.send')} disabled={!typed.trim() || !model}><IconSend size={18} /></ActionIcon>
            )}
          </form>
        </section>
        <div className={classes.side}>
          <Settings
            tokens={usable}
            token={token}
            models={models}
            model={model}
            parameters={parameters}
            onToken={(key) => go({ key })}
            onModel={(name) => go({ model: name })}
            onChange={(change) => setParameters({ ...parameters, ...change })}
          />
        </div>
      </div>
      <Drawer opened={shown !== null} onClose={() => setShown(null)} title={t(shown?.what === 'receipt' ? 'logs.receipt' : 'playground.code')} closeButtonProps={{ 'aria-label': t('common.close') }}>
        {shown?.what === 'receipt' && <ReceiptOf id={shown.said.answer?.requestId ?? ''} />}
        {shown?.what === 'code' && (
          <Tabs defaultValue="curl">
            <Tabs.List>
              {languages.map((row) => <Tabs.Tab key={row.id} value={row.id}>{row.name}</Tabs.Tab>)}
              <Tabs.Tab value="request">{t('playground.request')}</Tabs.Tab>
              {shown.said.answer?.raw && <Tabs.Tab value="answer">{t('playground.answer')}</Tabs.Tab>}
            </Tabs.List>
            {languages.map((row) => (
              <Tabs.Panel key={row.id} value={row.id} pt="sm">
                <CodeView label={row.name} text={row.write(base, masked, told)} copied={async () => row.write(base, await reveal(token.id), told)} />
              </Tabs.Panel>
            ))}
            <Tabs.Panel value="request" pt="sm"><CodeView label={t('playground.request')} text={JSON.stringify(told, null, 2)} /></Tabs.Panel>
            {shown.said.answer?.raw && <Tabs.Panel value="answer" pt="sm"><CodeView label={t('playground.answer')} text={shown.said.answer.raw} /></Tabs.Panel>}
          </Tabs>
        )}
      </Drawer>
    </>
  );
}
